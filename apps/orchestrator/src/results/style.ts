/** The report's style: light and dark, from a phone to a wide screen; no font, script or picture from elsewhere. */
export const style = `:root{color-scheme:light dark;--text:#1b1f24;--soft:#57606a;--back:#fff;--card:#f6f8fa;--line:#d8dee4;--a:#0b5cc4;--b:#ad4700;--hit:11 92 196;--miss:200 80 0;--most:.5}
@media (prefers-color-scheme:dark){:root{--text:#e6e8eb;--soft:#a0a8b2;--back:#121417;--card:#1b1f24;--line:#343a42;--a:#74b0ff;--b:#ffa05c;--hit:60 130 240;--miss:235 120 40;--most:.42}}
*{box-sizing:border-box}body{margin:0;background:var(--back);color:var(--text);font:15px/1.5 system-ui,sans-serif}
main{max-width:1200px;margin:0 auto;padding:1.5rem 1rem 3rem}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .25rem;overflow-wrap:anywhere}h2{font-size:1.15rem;margin:2.25rem 0 .6rem}p{margin:.4rem 0}.soft{color:var(--soft)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:.75rem;margin:1rem 0;padding:0}
.tiles div{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.6rem .8rem}
.tiles dt{color:var(--soft);font-size:.85rem}.tiles dd{margin:0;font-size:1.35rem;font-weight:600;font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto;max-width:100%}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .7rem;border-bottom:1px solid var(--line);text-align:left;white-space:nowrap}
thead th{color:var(--soft);font-weight:600;vertical-align:bottom}th.n{white-space:normal;min-width:4.2rem}.n{text-align:right}
td:first-child:not(.n),tbody th{white-space:normal;overflow-wrap:anywhere;min-width:6rem;max-width:22rem}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,380px),1fr));gap:1.25rem}figure{margin:0}figcaption{font-weight:600}
svg{display:block;width:100%;height:auto}.grid{stroke:var(--line)}.mark{stroke:var(--soft);stroke-dasharray:3 4}.tick{font-size:11px;fill:var(--soft)}
.line{fill:none;stroke-width:2}.a{--c:var(--a)}.b{--c:var(--b)}.line{stroke:var(--c)}.dot{fill:var(--c)}.key{color:var(--c);font-weight:400;margin-left:.75rem;white-space:nowrap}
.confusion{font-size:.85rem}.confusion td{text-align:right;padding:.2rem .3rem;min-width:1.9rem}
.confusion tbody th{position:sticky;left:0;background:var(--back);font-weight:400;min-width:5rem;max-width:11rem}
.confusion thead th{padding:.2rem .3rem}.confusion thead th:first-child{white-space:normal}.slant span{display:inline-block;writing-mode:vertical-rl;transform:rotate(180deg);max-height:9.5rem;overflow:hidden;text-overflow:ellipsis;line-height:1.2}
.hit{background:rgb(var(--hit)/calc(var(--s)*var(--most)))}.miss{background:rgb(var(--miss)/calc(var(--s)*var(--most)))}
.pairs{columns:18rem;column-gap:2rem;padding-left:1.2rem;margin:.4rem 0}.pairs li{overflow-wrap:anywhere}
.mistakes{display:grid;grid-template-columns:repeat(auto-fill,minmax(145px,1fr));gap:1rem}
.mistakes div{font-size:.85rem;line-height:1.4;overflow-wrap:anywhere}.mistakes img,.gone{display:flex;width:100%;aspect-ratio:1;object-fit:contain;background:var(--card);border:1px solid var(--line);border-radius:6px;margin-bottom:.3rem}
.gone{align-items:center;justify-content:center;color:var(--soft)}.mistakes small{display:block;color:var(--soft)}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,340px),1fr));gap:0 2rem;margin:0}
.facts div{display:flex;gap:.75rem;justify-content:space-between;border-bottom:1px solid var(--line);padding:.2rem 0}.facts dt{color:var(--soft)}.facts dd{margin:0;text-align:right;overflow-wrap:anywhere;min-width:0}
.phase{position:relative;min-width:5.5rem}.phase::after{content:'';position:absolute;left:.7rem;bottom:.1rem;height:3px;width:calc((100% - 1.4rem)*var(--s));background:var(--a);border-radius:2px}.phase small{display:inline-block;min-width:2.6rem;color:var(--soft)}
.query img{display:block;max-width:min(320px,100%);border-radius:8px}
.map img{display:block;width:100%;max-width:960px;height:auto;border:1px solid var(--line);border-radius:8px}@media (prefers-color-scheme:dark){.map img{filter:invert(.93) hue-rotate(180deg)}}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1rem;margin:.6rem 0;padding:0;list-style:none;font-size:.9rem}.legend li::before{content:'';display:inline-block;width:.65rem;height:.65rem;border-radius:50%;background:var(--g);margin-right:.35rem}
details{margin-top:.8rem}summary{cursor:pointer;color:var(--soft)}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font-size:.8rem;padding:.8rem;background:var(--card);border:1px solid var(--line);border-radius:8px}
@media (max-width:560px){.tick{font-size:17px}th,td{padding:.25rem .25rem}table{font-size:.82rem}th.n{min-width:0}.confusion tbody th{max-width:7rem}.tiles dd{font-size:1.15rem}}
@media print{.scroll{overflow:visible}h2{break-after:avoid}.mistakes div,figure{break-inside:avoid}}`
