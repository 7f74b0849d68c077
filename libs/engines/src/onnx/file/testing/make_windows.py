"""Makes windows-dynamo.onnx: windows of tokens, heads of unknown width and a pooling of channels-last maps, as today's exporter of PyTorch writes them."""
import numpy as np, onnx
from onnx import helper as h, numpy_helper as nh, TensorProto as T
r=np.random.default_rng(5); I=lambda n,v: nh.from_array(np.array(v,np.int64),n); F=lambda n,*s: nh.from_array((r.standard_normal(s)*.5).astype(np.float32),n)
inits=[F('conv.weight',4,3,2,2),F('proj',4,4),I('split',[1,4,2,2,2,2]),I('windows',[4,-1,4]),I('heads',[4,4,-1,2]),I('rows',[1,4,16]),I('axis',[1]),I('all',[-1]),nh.from_array(np.arange(16,dtype=np.int64)[::-1].reshape(1,16,1,1).copy(),'places'),I('flat',[1,16])]
n=h.make_node
nodes=[n('Conv',['x','conv.weight'],['conv'],kernel_shape=[2,2],strides=[2,2]),n('Reshape',['conv','split'],['view'],allowzero=1),n('Transpose',['view'],['permute'],perm=[0,2,4,3,5,1]),
 n('Reshape',['permute','windows'],['view_1'],allowzero=1),n('MatMul',['view_1','proj'],['linear']),n('Reshape',['linear','heads'],['view_2'],allowzero=1),n('Transpose',['view_2'],['transpose'],perm=[0,2,1,3]),
 n('Reshape',['transpose','rows'],['view_3'],allowzero=1),n('ReduceMean',['view_3','axis'],['mean'],keepdims=1),n('Reshape',['mean','all'],['val_1']),n('Gather',['val_1','places'],['as_strided'],axis=0),n('Reshape',['as_strided','flat'],['y'],allowzero=1)]
g=h.make_graph(nodes,'strided',[h.make_tensor_value_info('x',T.FLOAT,[1,3,8,8])],[h.make_tensor_value_info('y',T.FLOAT,[1,16])],inits)
m=h.make_model(g,opset_imports=[h.make_opsetid('',20)],ir_version=10); onnx.checker.check_model(m,full_check=True)
onnx.save(m,'windows-dynamo.onnx')
