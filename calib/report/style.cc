// The page's style sheet. Colours are variables, twice: for light and for dark.
#include "calib/report/html_parts.h"

namespace hasten::report {

const char kStyle[] = R"css(
:root{--page:#f6f7f9;--card:#fff;--ink:#1b1f24;--soft:#5c6570;--rule:#dfe3e8;--grid:#eaedf0;
--candidate:#1f6fc4;--reference:#8a929c;--second:#b3590c;--pass:#18703c;--fail:#b3261e;--open:#8a5a00;
--pass-bg:#e3f4e9;--fail-bg:#fbe6e4;--open-bg:#fdf0d5;--good:#e3f0e8;--mark:#ffe6a8}
@media(prefers-color-scheme:dark){:root{--page:#14171b;--card:#1d2127;--ink:#e6e9ed;--soft:#9aa4af;--rule:#343a42;--grid:#2a2f36;
--candidate:#6db3ff;--reference:#8d97a3;--second:#f0a45c;--pass:#6fd397;--fail:#ff8f85;--open:#f0c060;
--pass-bg:#173524;--fail-bg:#43201d;--open-bg:#3c2f12;--good:#20382b;--mark:#5a4713}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","DejaVu Sans",sans-serif}
main{max-width:1180px;margin:0 auto;padding:20px 16px 48px}
header,section{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:18px 20px;margin:0 0 16px;min-width:0}
header{border-left:6px solid var(--soft)}
header.pass{border-left-color:var(--pass)}header.fail{border-left-color:var(--fail)}header.open{border-left-color:var(--open)}
h1{font-size:24px;line-height:1.3;margin:2px 0 6px;overflow-wrap:anywhere}
h2{font-size:18px;margin:0 0 4px;overflow-wrap:anywhere}h3{font-size:15px;margin:0}h4{font-size:14px;margin:0 0 4px}
p{margin:0;overflow-wrap:anywhere}small,.eyebrow,.counts,.lead,figcaption,.keys{color:var(--soft)}
small{font-size:13px}.eyebrow{font-size:13px;letter-spacing:.04em}.reason{font-size:17px;overflow-wrap:anywhere}
.lead{margin:0 0 12px;max-width:75ch}h2+div,h2+table,h2+ol,h2+details{margin-top:12px}
.badge{display:inline-block;border-radius:6px;padding:1px 8px;font-size:13px;font-weight:600;white-space:nowrap;background:var(--open-bg);color:var(--open)}
.badge.pass{background:var(--pass-bg);color:var(--pass)}.badge.fail{background:var(--fail-bg);color:var(--fail)}
h1 .badge{font-size:20px;padding:2px 12px;margin-right:6px}
.facts{display:flex;flex-wrap:wrap;gap:8px 28px;margin:14px 0 0}.facts dt{color:var(--soft);font-size:13px}.facts dd{margin:0;overflow-wrap:anywhere}
.scroll{overflow-x:auto}.scroll table{width:auto;min-width:min(100%,600px)}.scroll td:first-child{min-width:120px}
table{border-collapse:collapse;width:100%;font-size:14px}
th{text-align:left;font-weight:600;color:var(--soft);font-size:13px;white-space:nowrap}
th,td{padding:7px 14px 7px 0;border-bottom:1px solid var(--rule);vertical-align:top}
tbody tr:last-child td{border-bottom:0}td:last-child,th:last-child{padding-right:0}
.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}.none{color:var(--soft)}strong.fail{color:var(--fail)}
code{font:12.5px/1.5 ui-monospace,"SFMono-Regular",Menlo,"DejaVu Sans Mono",monospace}.digest{word-break:break-all}
.criteria .number{white-space:normal;overflow-wrap:anywhere;min-width:104px}.criteria .number small{white-space:nowrap}.criteria .why{min-width:190px;overflow-wrap:anywhere}.criteria .name{overflow-wrap:break-word;min-width:190px;max-width:280px}.criteria .where{width:154px}
.strip{width:140px;height:18px;display:block;margin-top:2px}
.strip .good{fill:var(--good)}.strip .interval{fill:var(--candidate);opacity:.45}.strip .estimate{fill:var(--candidate)}.strip .limit-mark{stroke:var(--ink);stroke-width:1.5}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(340px,100%),1fr));gap:22px 28px}
figure{margin:0;min-width:0;max-width:560px}.keys{font-size:13px;min-height:20px}figcaption{font-size:13px}
.key{margin-right:12px;overflow-wrap:anywhere}.key i{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:5px;vertical-align:-1px}
i.candidate{background:var(--candidate)}i.reference{background:var(--reference)}i.second{background:var(--second)}
.plot{width:100%;height:auto;display:block;margin:2px 0}
.plot text{font-size:11px;fill:var(--soft)}.plot .axis-name{font-size:11.5px;fill:var(--ink)}.plot .note{fill:var(--ink)}
.plot polyline{fill:none}.axis{stroke:var(--soft)}.grid{stroke:var(--grid)}.limit{stroke:var(--ink);stroke-dasharray:2 4;stroke-width:1.3}
.line{stroke-width:2;stroke-linejoin:round}.line.candidate{stroke:var(--candidate)}.line.reference{stroke:var(--reference)}.line.second{stroke:var(--second)}
.bar.candidate{fill:var(--candidate)}.dot{stroke:var(--card);stroke-width:1.5}.dot.candidate{fill:var(--candidate)}.dot.reference{fill:var(--reference)}.dot.second{fill:var(--second)}
.plot .mark{fill:var(--card);stroke:var(--ink);stroke-width:1.5}
.items{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(420px,100%),1fr));gap:12px;padding:0;margin:12px 0 0;list-style:none}
.items li{border:1px solid var(--rule);border-radius:8px;padding:10px 12px;min-width:0}
.items dl{margin:6px 0 0}.items dl div{display:grid;grid-template-columns:78px 1fr;gap:8px;margin-top:3px}
.items dt{color:var(--soft);font-size:13px}.items dd{margin:0;min-width:0}.items .context dd{max-height:8.5em;overflow:auto}
.text{white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:isolate}
details{border-top:1px solid var(--rule);padding:8px 0}summary{cursor:pointer;overflow-wrap:anywhere}
details[open]>summary{margin-bottom:8px}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:16px}.pair>div{min-width:0}.same{color:var(--soft)}mark{background:var(--mark);color:inherit;border-radius:3px}
@media(max-width:760px){body{font-size:14.5px}main{padding:10px 8px 32px}header,section{padding:14px 14px}h1{font-size:20px}.pair{grid-template-columns:1fr}
.criteria thead{display:none}.criteria,.criteria tbody{display:block}
.criteria tr{display:grid;grid-template-columns:1fr 1fr 1fr;gap:4px 12px;padding:12px 0;border-bottom:1px solid var(--rule)}.criteria tr:last-child{border-bottom:0}
.criteria td{display:block;border:0;padding:0}.criteria .verdict,.criteria .name,.criteria .where,.criteria .why{grid-column:1/-1;width:auto}
.criteria .name{max-width:none;min-width:0}.criteria .number{text-align:left;min-width:0}.criteria .number::before{content:attr(data-label);display:block;color:var(--soft);font-size:12px}
.criteria .why{color:var(--soft)}.strip{width:100%;max-width:220px;height:auto}.criteria .where:empty{display:none}}
@media print{body{background:#fff}header,section{break-inside:avoid}}
)css";

}  // namespace hasten::report
