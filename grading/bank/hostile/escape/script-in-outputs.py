# /// case
# item = "HTML/JS reaching the formgrader"
# about = "displays scripts, event handlers, frames, styles and javascript: links by every kind of output"
# score = 0
# ///

# %% after setup
from IPython.display import HTML, SVG, Javascript, Latex, Markdown, display

EVIL = ('<script>alert("owned")</script><img src=x onerror="alert(1)"><svg onload="alert(1)"></svg><a href="javascript:alert(1)">x</a>'
        '<iframe srcdoc="<script>alert(1)</script>"></iframe><form action="http://x"><input autofocus onfocus="alert(1)"></form>'
        '<style>*{display:none}</style><meta http-equiv="refresh" content="0;url=http://x"><base href="http://x">'
        '<object data="http://x"></object><embed src="http://x"><link rel="stylesheet" href="http://x"><math><mi xlink:href="javascript:1">')
display(HTML(EVIL), Javascript("alert(1)"), SVG("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
        Markdown(EVIL), Latex(f"${EVIL}$"))
for kind in ("application/javascript", "application/vnd.jupyter.widget-view+json", "application/x-evil", "text/html", "text/plain"):
    display({kind: EVIL, "text/plain": EVIL}, raw=True)
print(EVIL)
attempt("nothing more", lambda: 1 / 0)
