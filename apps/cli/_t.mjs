const t0=process.cpuUsage(), w0=performance.now()
const log=(n)=>{const c=process.cpuUsage(t0);console.log(n,'cpu',((c.user+c.system)/1e3).toFixed(0),'wall',(performance.now()-w0).toFixed(0))}
const jobs=await import('@layermill/jobs'); log('import jobs')
const b=await jobs.openBroker(undefined,{}); log('broker open')
const q=b.queue('parts'); const ev=b.events('parts'); await ev.waitUntilReady(); log('events ready')
const w=b.worker('parts',async()=>({a:1})); await w.waitUntilReady(); log('worker ready')
const done=new Promise(r=>ev.on('completed',r)); await q.addBulk([{name:'x',data:{},opts:{jobId:'x1'}}]); log('added'); await done; log('completed')
let n=0;const t1=process.cpuUsage();const d2=new Promise(r=>ev.on('completed',()=>{if(++n===100)r()}));await q.addBulk(Array.from({length:100},(_,i)=>({name:'x',data:{},opts:{jobId:'y'+i}})));await d2;const c=process.cpuUsage(t1);console.log('100 jobs cpu',(c.user+c.system)/1e3)
await b.close(); log('closed')
