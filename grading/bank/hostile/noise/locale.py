# /// case
# item = "further"
# about = "changes the locale, the time zone and the encoding of what is printed"
# base = "reference"
# score = 20
# ///

# %% after setup
import locale
import os
import sys
import time

for name in ("de_DE.UTF-8", "zh_CN.UTF-8", "tr_TR.UTF-8", "C"):
    try:
        locale.setlocale(locale.LC_ALL, name)
        break
    except locale.Error:
        pass
os.environ["TZ"] = "Asia/Kathmandu"
time.tzset()
print("中文 ✓ é 🙂")
