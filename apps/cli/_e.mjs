const t0=process.cpuUsage(), w0=performance.now()
const log=(n)=>{const c=process.cpuUsage(t0);console.log(n,'cpu',((c.user+c.system)/1e3).toFixed(0),'wall',(performance.now()-w0).toFixed(0))}
const {loadWeights,getNetwork}=await import('@layermill/models'); const {openEngine}=await import('@layermill/engines');log('import')
const w=await loadWeights('googlenet','random:1');log('weights')
const e=await openEngine({device:'cpu'});log('engine '+e.report)
const x=await e.extractor(getNetwork('googlenet'),w.tensors,['conv2'],{inputSize:[32,32]});log('extractor')
await x.run({shape:[8,3,32,32],data:new Float32Array(8*3*32*32)});log('run')
await e.close();log('close')
