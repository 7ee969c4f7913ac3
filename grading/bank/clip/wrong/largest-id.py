# /// case
# check = "clip/text"
# misconception = "largest-id"
# about = "as OpenAI's code has it"
# ///

# %% end_of_text
def end_of_text(states, tokens, end):
    every = torch.arange(len(states))
    return states[every, tokens.argmax(dim=-1)]
