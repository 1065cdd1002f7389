"""Evidence from elsewhere: per-item results of other harnesses, as records that can be judged.

`folders` finds lm-eval's logs, `samples` reads their items, `recognition` says which benchmark of
the suites a task is, and `readings` turns the answers into records. `tables` reads CSV and JSONL.
`pairing` makes sure that both sides hold the same, and `judging` makes the scorecard. Nothing here
needs a model or torch.
"""
