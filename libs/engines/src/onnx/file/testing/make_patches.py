"""Makes patches.onnx: a padding that is computed and clipped, a folded convolution at the end of a stem, patches taken out of the rows of one image and put back, and a product with weights of a module that is never called, as PyTorch's exporters write them."""
import numpy as np, onnx
from onnx import helper as h, numpy_helper as nh, TensorProto as T
r=np.random.default_rng(5); I=lambda n,v: nh.from_array(np.array(v,np.int64),n); F=lambda n,*s: nh.from_array((r.standard_normal(s)*.5).astype(np.float32),n)
C=lambda n,v: nh.from_array(np.array(v,np.float32),n)
inits=[F('onnx::Conv_1',4,3,3,3),F('attn.proj.weight',4,4),I('two',[2]),C('half',2),C('one',1),C('three',3),C('zero',0),I('zeros',[0,0]),I('rows',[4,4,4]),I('patches',[1,4,4,-1]),I('back',[1,4,16])]
n=lambda op,i,o,name=None,**k: h.make_node(op,i,[o],name=name or o,**k)
nodes=[n('Shape',['x'],'shape'),n('Gather',['shape','two'],'height'),n('Cast',['height'],'side',to=1),n('Div',['side','half'],'steps'),n('Ceil',['steps'],'whole'),n('Sub',['whole','one'],'gaps'),n('Mul',['gaps','half'],'covered'),
 n('Add',['covered','three'],'reach'),n('Sub',['reach','side'],'lacking'),n('Clip',['lacking','zero'],'missing'),n('Cast',['missing'],'pad',to=7),n('Concat',['zeros','zeros','zeros','pad','pad'],'pads',axis=0),n('Pad',['x','pads'],'padded'),
 n('Conv',['padded','onnx::Conv_1'],'/stem/stem.0/Conv_output_0','/stem/stem.0/Conv',kernel_shape=[3,3],strides=[2,2]),n('Reshape',['/stem/stem.0/Conv_output_0','rows'],'/attn/rows_output_0','/attn/rows'),
 n('MatMul',['/attn/rows_output_0','attn.proj.weight'],'/attn/MatMul_output_0','/attn/MatMul'),n('Reshape',['/attn/MatMul_output_0','patches'],'/attn/Reshape_output_0','/attn/Reshape'),
 n('Transpose',['/attn/Reshape_output_0'],'/attn/Transpose_output_0','/attn/Transpose',perm=[0,3,2,1]),n('Reshape',['/attn/Transpose_output_0','back'],'y','/attn/Reshape_1')]
g=h.make_graph(nodes,'patches',[h.make_tensor_value_info('x',T.FLOAT,[1,3,8,8])],[h.make_tensor_value_info('y',T.FLOAT,[1,4,16])],inits)
m=h.make_model(g,opset_imports=[h.make_opsetid('',17)],ir_version=8); onnx.checker.check_model(m,full_check=True)
onnx.save(m,'patches.onnx')

"""Makes rows.onnx: attention whose tokens come before images, as that of PyTorch does, and a mask of windows beside the windows of images."""
inits=[F('w',4,3,4,4),F('qkv',4,12),F('out',4,4),F('query',2,1,2),F('mask',2,1,1),I('tokens',[1,4,4]),I('three',[4,1,3,4]),I('heads',[4,2,2]),I('joined',[4,4]),I('back',[4,1,4]),I('windows',[2,2,4]),I('y',[1,4,4]),I('to',[1,4,4]),I('i0',0),I('i1',1),I('axis',[1])]
nodes=[n('Conv',['x','w'],'conv',kernel_shape=[4,4],strides=[4,4]),n('Reshape',['conv','tokens'],'view',allowzero=1),n('Transpose',['view'],'permute',perm=[0,2,1]),n('Transpose',['permute'],'first',perm=[1,0,2]),n('MatMul',['first','qkv'],'linear'),
 n('Reshape',['linear','three'],'parts',allowzero=1),n('Transpose',['parts'],'parts_1',perm=[2,0,1,3]),n('Gather',['parts_1','i0'],'k',axis=0),n('Gather',['parts_1','i1'],'v',axis=0),
 n('Reshape',['k','heads'],'k_1',allowzero=1),n('Transpose',['k_1'],'k_2',perm=[1,2,0]),n('Reshape',['v','heads'],'v_1',allowzero=1),n('Transpose',['v_1'],'v_2',perm=[1,0,2]),n('MatMul',['query','k_2'],'scores'),n('Softmax',['scores'],'weights',axis=-1),
 n('Transpose',['weights'],'weights_1',perm=[0,2,1]),n('Mul',['v_2','weights_1'],'weighed'),n('Transpose',['weighed'],'tokens_1',perm=[1,0,2]),n('Reshape',['tokens_1','joined'],'rows',allowzero=1),n('Gemm',['rows','out'],'linear_1'),n('Reshape',['linear_1','back'],'view_1',allowzero=1),
 n('Transpose',['view_1'],'attended',perm=[1,0,2]),n('Expand',['attended','to'],'expand'),n('Reshape',['expand','windows'],'windows_1',allowzero=1),n('Add',['windows_1','mask'],'masked'),n('Reshape',['masked','y'],'z',allowzero=1)]
g=h.make_graph(nodes,'rows',[h.make_tensor_value_info('x',T.FLOAT,[1,3,8,8])],[h.make_tensor_value_info('z',T.FLOAT,[1,4,4])],inits)
m=h.make_model(g,opset_imports=[h.make_opsetid('',20)],ir_version=10); onnx.checker.check_model(m,full_check=True)
onnx.save(m,'rows.onnx')

"""Makes padded-pool.onnx: zeros around an image, and the maximum of each window."""
g=h.make_graph([n('Pad',['x','pads'],'padded'),n('MaxPool',['padded'],'y',kernel_shape=[2,2],strides=[1,1])],'pool',[h.make_tensor_value_info('x',T.FLOAT,[1,3,2,2])],[h.make_tensor_value_info('y',T.FLOAT,[1,3,2,2])],[I('pads',[0,0,0,0,0,0,1,1])])
m=h.make_model(g,opset_imports=[h.make_opsetid('',17)],ir_version=8); onnx.checker.check_model(m,full_check=True)
onnx.save(m,'padded-pool.onnx')

"""Makes pairs.onnx: two images at a time, with their number in shapes and a row of a constant for each."""
inits=[F('w',4,3,4,4),F('mix',4,4),F('head',4,3),nh.from_array(np.full((2,4,1,1),-.5,np.float32),'least'),I('tokens',[2,4,4]),I('flat',[2,4]),nh.from_array(np.repeat((r.standard_normal((1,1,4))).astype(np.float32),2,0),'cls')]
nodes=[n('Conv',['x','w'],'conv',kernel_shape=[4,4],strides=[4,4]),n('Reshape',['conv','tokens'],'patches'),n('Transpose',['patches'],'rows',perm=[0,2,1]),n('Concat',['cls','rows'],'joined',axis=1),n('MatMul',['joined','mix'],'mixed'),
 n('ReduceMean',['mixed'],'mean',axes=[1]),n('Reshape',['mean','flat'],'pooled'),n('Gemm',['pooled','head'],'y'),
 n('ReduceMean',['conv'],'of_both',axes=[0]),n('Sub',['conv','of_both'],'apart'),n('Max',['conv','least'],'above')]
g=h.make_graph(nodes,'pairs',[h.make_tensor_value_info('x',T.FLOAT,[2,3,8,8])],[h.make_tensor_value_info('y',T.FLOAT,[2,3])],inits)
m=h.make_model(g,opset_imports=[h.make_opsetid('',17)],ir_version=8); onnx.checker.check_model(m,full_check=True)
onnx.save(m,'pairs.onnx')

"""Makes branches.onnx: a function of the file's own, called in the graph and in a branch, whose choice depends on the size of the image."""
fn=h.make_function('own','Twice',['a'],['b'],[n('Add',['a','a'],'t'),n('Relu',['t'],'b')],[h.make_opsetid('',17)])
yes=h.make_graph([h.make_node('Twice',['conv'],['big'],domain='own',name='call')],'yes',[],[h.make_tensor_value_info('big',T.FLOAT,None)])
no=h.make_graph([n('Neg',['conv'],'small')],'no',[],[h.make_tensor_value_info('small',T.FLOAT,None)])
inits=[F('w',4,3,4,4),I('side',3),I('seven',7)]
nodes=[n('Conv',['x','w'],'conv',kernel_shape=[4,4],strides=[4,4]),n('Shape',['x'],'shape'),n('Gather',['shape','side'],'width'),n('Greater',['width','seven'],'wide'),h.make_node('If',['wide'],['chosen'],name='if',then_branch=yes,else_branch=no),h.make_node('Twice',['chosen'],['y'],domain='own',name='again')]
g=h.make_graph(nodes,'branches',[h.make_tensor_value_info('x',T.FLOAT,['n',3,'h','w'])],[h.make_tensor_value_info('y',T.FLOAT,['n',4,'a','b'])],inits)
m=h.make_model(g,functions=[fn],opset_imports=[h.make_opsetid('',17),h.make_opsetid('own',1)],ir_version=8); onnx.checker.check_model(m)
onnx.save(m,'branches.onnx')

"""Makes outlier.onnx: of four channels, one is a thousand times as large, and only the layer behind needs the others: 8 bits for all four lose them. A preparation is said in its texts."""
import json
big=nh.from_array((r.standard_normal((4,3,4,4))*.2*np.array([1000,1,1,1]).reshape(4,1,1,1)).astype(np.float32),'w')
small=nh.from_array((r.standard_normal((4,4,1,1))*np.array([0,1,1,1]).reshape(1,4,1,1)).astype(np.float32),'small')
nodes=[n('Conv',['x','w'],'wide',kernel_shape=[4,4],strides=[4,4]),n('Conv',['wide','small'],'narrow',kernel_shape=[1,1])]
g=h.make_graph(nodes,'outlier',[h.make_tensor_value_info('x',T.FLOAT,['n',3,16,16])],[h.make_tensor_value_info('narrow',T.FLOAT,['n',4,4,4])],[big,small])
m=h.make_model(g,opset_imports=[h.make_opsetid('',17)],ir_version=8); onnx.checker.check_model(m,full_check=True)
onnx.helper.set_model_props(m,{'preprocessor_config':json.dumps({'image_processor_type':'ViTImageProcessor','size':{'height':16,'width':16}})})
onnx.save(m,'outlier.onnx')

"""Makes resized.onnx: maps that are brought to a size which holds a batch of one, as exporters write `interpolate(size=...)`."""
inits=[F('w',4,3,2,2),I('sizes',[1,4,3,5]),I('rows',[1,60]),F('head',60,3)]
nodes=[n('Conv',['x','w'],'conv',kernel_shape=[2,2],strides=[2,2]),n('Resize',['conv','','','sizes'],'nearest',mode='nearest',nearest_mode='floor',coordinate_transformation_mode='asymmetric'),n('Resize',['conv','','','sizes'],'linear',mode='linear'),n('Add',['nearest','linear'],'sum'),n('Reshape',['sum','rows'],'flat'),n('MatMul',['flat','head'],'y')]
g=h.make_graph(nodes,'resized',[h.make_tensor_value_info('x',T.FLOAT,[1,3,8,8])],[h.make_tensor_value_info('y',T.FLOAT,[1,3])],inits)
m=h.make_model(g,opset_imports=[h.make_opsetid('',17)],ir_version=8); onnx.checker.check_model(m,full_check=True)
onnx.save(m,'resized.onnx')
