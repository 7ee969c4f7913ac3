# /// case
# item = "a daemon outliving grading"
# about = "leaves programs behind: by nohup, by setsid, by a shell and by at"
# score = 0
# ///

# %% after setup
import subprocess

for words in (["nohup", "sleep", "60"], ["setsid", "-f", "sleep", "60"], ["sh", "-c", "(sleep 60 &) &"]):
    subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
attempt("at", lambda: subprocess.run(["at", "now"], input=b"touch @marker@", check=True, capture_output=True, timeout=5))
