"""Distillation: a smaller model learns to answer as the one it was cut from.

shape.py       how wide and deep a model is, and a student of it
importance.py  what the parts of a model contribute
pruning.py     a student by leaving out the rest
assembly.py    a plain model, put together from tensors
losses.py      how far a student's predictions are from its teacher's, and from the text
objective.py   what a training minimises
clone.py       a student whose weights are projections of its teacher's
correction.py  the teacher, trained on the text before it teaches
training.py    what decides a training, as JSON values
corpus.py      where the training text is read
text.py        the training text, packed into batches
loop.py        the one training loop: any number of devices, resumed where it was killed
job.py         one training as a request, in this process or in one for each device
estimate.py    what a training will take, before it is started
"""
