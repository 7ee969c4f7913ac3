# /// case
# item = "HTML/JS reaching the formgrader"
# about = "writes scripts into its text cells, its written answer, raw cells, attachments and source"
# score = 0
# ///

# %% after setup
attempt("nothing more", lambda: 1 / 0)  # </pre></div><script>alert("owned")</script>

# %% build
def edit(notebook):
    evil = ('<script>alert("owned")</script><img src=x onerror="alert(1)"><iframe src="http://x"></iframe>\n\n'
            '[x](javascript:alert(1)) ![x](attachment:x.svg) <a href="JaVaScRiPt:alert(1)">x</a> <svg/onload=alert(1)>\n\n'
            '<style>body{display:none}</style><base href="http://x"><form action="http://x"><button>x</button></form>')
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == "amp-written":
            cell["source"] = evil
    for kind in ("markdown", "raw"):
        notebook["cells"].append({"cell_type": kind, "id": f"evil-{kind}", "metadata": {"raw_mimetype": "text/html"}, "source": evil,
                                  "attachments": {"x.svg": {"image/svg+xml": evil}}})
    notebook["metadata"]["title"] = evil
    notebook["metadata"]["authors"] = [{"name": evil}]
