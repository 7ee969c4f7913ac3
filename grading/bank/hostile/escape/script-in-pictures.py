# /// case
# item = "HTML/JS reaching the formgrader"
# about = "displays pictures whose data are no pictures but the rest of a page"
# score = 0
# ///

# %% after setup
EVIL = 'AAAA"><script>alert("owned")</script><img src="x" onerror="alert(1)'
for kind in ("image/png", "image/jpeg", "image/svg+xml", "image/gif", "application/pdf"):
    display({kind: EVIL}, raw=True, metadata={kind: {"width": '1" onload="alert(1)', "alt": EVIL}})
attempt("nothing more", lambda: 1 / 0)
