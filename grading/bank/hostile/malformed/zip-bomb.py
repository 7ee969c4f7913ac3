# /// case
# item = "path traversal in a zip"
# about = "a small zip that unpacks to a thousand times its size, and a link inside it"
# score = 0
# state = "limited"
# ///

# %% build
def write(notebook, path):
    import zipfile

    with zipfile.ZipFile(path.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out:
        with out.open("2_1_amp.ipynb", "w", force_zip64=True) as member:
            for _ in range(100):
                member.write(bytes(2**20))
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        out.writestr(link, "@key@")
