"""The styles of cards: colours of the notebook where it has some, else of the system's scheme."""

_LIGHT = (
    "--ld-text:var(--jp-content-font-color1,#1f2328);"
    "--ld-soft:var(--jp-content-font-color2,#57606a);"
    "--ld-back:var(--jp-layout-color1,#ffffff);"
    "--ld-panel:var(--jp-layout-color2,#f6f8fa);"
    "--ld-line:var(--jp-border-color2,#d0d7de);"
    "--ld-link:var(--jp-content-link-color,#0969da);"
    "--ld-keyword:#a0309a;--ld-string:#0a6b3a;--ld-comment:#6a737d;--ld-number:#0b57a4;"
    "--ld-name:#6639ba;--ld-new:#dafbe1;--ld-gone:#ffebe9;--ld-error:#b3261e;"
)
_DARK_COLOURS = (
    "--ld-keyword:#e58fe0;--ld-string:#7ee2a8;--ld-comment:#9aa4af;--ld-number:#79c0ff;"
    "--ld-name:#d2a8ff;--ld-new:#12402a;--ld-gone:#5a1e1c;--ld-error:#ff8a80;"
)
_DARK = (
    "--ld-text:var(--jp-content-font-color1,#e6edf3);"
    "--ld-soft:var(--jp-content-font-color2,#9aa4af);"
    "--ld-back:var(--jp-layout-color1,#0d1117);"
    "--ld-panel:var(--jp-layout-color2,#161b22);"
    "--ld-line:var(--jp-border-color2,#30363d);"
    "--ld-link:var(--jp-content-link-color,#58a6ff);" + _DARK_COLOURS
)

_RULES = {
    "": "color:var(--ld-text);background:var(--ld-back);border:1px solid var(--ld-line);"
    "border-radius:8px;padding:.8rem 1rem;font:14px/1.5 system-ui,sans-serif;max-width:60rem;"
    "box-sizing:border-box;overflow:hidden",
    ".ld-title": "font-size:1.25rem;font-weight:600;overflow-wrap:anywhere",
    ".ld-kind": "font-size:.8rem;font-weight:400;color:var(--ld-soft);margin-left:.4rem",
    ".ld-heading": "font-weight:600;color:var(--ld-soft);font-size:.8rem;margin:.9rem 0 .3rem",
    "p": "margin:.3rem 0;overflow-wrap:anywhere",
    "a": "color:var(--ld-link)",
    ".ld-error": "color:var(--ld-error);font-family:ui-monospace,monospace;white-space:pre-wrap",
    ".ld-wide": "overflow-x:auto",
    "table": "border-collapse:collapse;margin:0;font-size:inherit;color:inherit",
    "th": "text-align:left;font-weight:500;color:var(--ld-soft);padding:.15rem 1.2rem .15rem 0;"
    "border-bottom:1px solid var(--ld-line);background:none;white-space:nowrap",
    "td": "text-align:left;padding:.15rem 1.2rem .15rem 0;vertical-align:top;background:none",
    "tr": "background:none",
    ".ld-equations td": "padding:.3rem .15rem;vertical-align:baseline;white-space:nowrap;border:0",
    ".ld-equations .ld-left": "text-align:right",
    "math": "font:1.05rem 'STIX Two Math','Latin Modern Math','Cambria Math','STIX Math',math",
    "math mtd": "text-align:left;padding:.1em .3em",
    ".ld-code": "background:var(--ld-panel);color:inherit;border-radius:6px;padding:.6rem .8rem;"
    "margin:.3rem 0;overflow-x:auto;font:12.5px/1.45 ui-monospace,monospace;white-space:pre",
    "summary": "cursor:pointer;margin:.2rem 0",
    "ins": "background:var(--ld-new);text-decoration:none",
    "del": "background:var(--ld-gone);text-decoration:none",
    ".ld-curve": "max-width:30rem;width:100%;height:auto;display:block",
    ".ld-curve polyline": "fill:none;stroke:var(--ld-link);stroke-width:2",
    ".ld-curve circle": "fill:var(--ld-error)",
    ".ld-curve .ld-axes": "fill:none;stroke:var(--ld-line);stroke-width:1",
    ".ld-curve text": "fill:var(--ld-soft);font:11px system-ui,sans-serif",
    ":is(.ld-k,.ld-kn,.ld-ow,.ld-kc,.ld-nd)": "color:var(--ld-keyword)",
    ":is(.ld-s,.ld-s1,.ld-s2,.ld-sd)": "color:var(--ld-string)",
    ":is(.ld-c,.ld-c1)": "color:var(--ld-comment)",
    ":is(.ld-mi,.ld-mf)": "color:var(--ld-number)",
    ":is(.ld-nf,.ld-nb)": "color:var(--ld-name)",
}

# JupyterLab says by an attribute whether its theme is light, whatever the system's scheme is.
STYLE = (
    f".ld-card{{{_LIGHT}}}"
    f"@media (prefers-color-scheme:dark){{.ld-card{{{_DARK}}}"
    f"[data-jp-theme-light=true] .ld-card{{{_LIGHT}}}}}"
    f"[data-jp-theme-light=false] .ld-card{{{_DARK}}}"
    + "".join(f".ld-card{' ' if own else ''}{own}{{{rules}}}" for own, rules in _RULES.items())
)
"""CSS of cards; every rule is for elements within `.ld-card` alone."""
