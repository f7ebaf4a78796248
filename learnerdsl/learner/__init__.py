"""The learner that a user holds: its updates, hyperparameters, states and checkpoints."""

from learnerdsl.learner.learner import Learner as Learner
