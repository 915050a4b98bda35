"""The look of pages and charts: style sheets, in light and dark."""

CHART = """
.grid{stroke:#d0d7de;stroke-width:1}
.tick,.none{fill:#656d76;font:11px system-ui,"Noto Sans CJK SC",sans-serif}
.smoke{fill:#0969da;fill-opacity:.16}.band{fill:#0969da;fill-opacity:.32}
.median{fill:none;stroke:#0550ae;stroke-width:1.6;stroke-linejoin:round}
.dot{fill:#0550ae}.loss{fill:#cf222e;shape-rendering:crispEdges}
"""
"""For what is inside of a chart. It stands in SVG files, too, so it has no variables."""

CHART_DARK = """
.grid{stroke:#30363d}.tick,.none{fill:#8d96a0}
.smoke,.band{fill:#58a6ff}.median{stroke:#79c0ff}.dot{fill:#79c0ff}.loss{fill:#ff7b72}
"""

TITLES = """
.page{fill:#fff}.label{fill:#1c2128;font:600 15px system-ui,"Noto Sans CJK SC",sans-serif}
.figures{fill:#656d76;font:12px system-ui,"Noto Sans CJK SC",sans-serif}.down{fill:#cf222e}
"""
"""For what stands around charts in an SVG file."""

TITLES_DARK = ".page{fill:#0d1117}.label{fill:#e6edf3}.figures{fill:#8d96a0}.down{fill:#ff7b72}"

PAGE = (
    """
:root{color-scheme:light dark;--ink:#1c2128;--soft:#656d76;--line:#d0d7de;--bad:#cf222e;--warn:#9a6700;
--good:#1a7f37;--page:#fff;--card:#f6f8fa}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,"Noto Sans CJK SC",sans-serif}
main{max-width:88rem;margin:0 auto;padding:1.2rem}
h1{font-size:1.35rem;margin:0}header p{margin:.1rem 0 1rem;color:var(--soft)}
#cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,34rem),1fr));gap:1rem}
article{background:var(--card);border:1px solid var(--line);border-left:4px solid var(--good);
border-radius:6px;padding:.7rem .9rem .4rem;overflow:hidden}
article.down{border-color:var(--bad)}article.down h2{color:var(--bad)}
article.warning{border-left-color:var(--warn)}article.waiting{border-left-color:var(--line)}
h2{font-size:1rem;margin:0;overflow-wrap:anywhere}
.where{color:var(--soft);font-size:.85rem;margin:0;overflow-wrap:anywhere}
dl{display:flex;flex-wrap:wrap;gap:.1rem 1.1rem;margin:.4rem 0;font-variant-numeric:tabular-nums}
dl div{display:flex;gap:.35rem}dt{color:var(--soft)}dd{margin:0;font-weight:600}dd.bad{color:var(--bad)}
svg{display:block;width:100%;height:auto}
#stale{display:none;color:var(--bad);font-weight:600}.stale #stale{display:block}.stale #cards{opacity:.45}
"""
    + CHART
    + """
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#8d96a0;--line:#30363d;
--bad:#ff7b72;--warn:#d29922;--good:#3fb950;--page:#0d1117;--card:#161b22}
"""
    + CHART_DARK
    + "}"
)
