"""Distillation: a smaller model learns to answer like the larger model it was cut from.

shape.py       the widths and the depth of a model, and of a student of it
importance.py  measures what the parts of a model contribute
pruning.py     cuts a student: keeps the important parts
assembly.py    puts a plain model together from tensors
losses.py      the distance of a student's predictions from its teacher's, and from the text
objective.py   the losses that a training minimises, with their models
clone.py       Low-Rank Clone: a student whose weights are projections of its teacher's
training.py    the settings that decide a training
corpus.py      the text of a training: a calibration recipe and the source of its rows
text.py        packs the training text into batches
loop.py        the one training loop: any number of devices, resumed after a kill
job.py         runs one training, in this process or in one process for each device
estimate.py    estimates time and memory of a training before it starts
"""
