# /// case
# item = "further"
# about = "switches torch's deterministic algorithms and anomaly detection on"
# base = "reference"
# score = 20
# ///

# %% after real-gradients
torch.use_deterministic_algorithms(True)
torch.autograd.set_detect_anomaly(True)
