"""Compare learners on small problems that each ask for something else."""

from learnerdsl.gallery.problems import PROBLEMS as PROBLEMS
from learnerdsl.gallery.problems import Problem as Problem
from learnerdsl.gallery.runs import Run as Run
from learnerdsl.gallery.runs import refusal as refusal
from learnerdsl.gallery.runs import train as train
from learnerdsl.gallery.tuning import RATES as RATES
from learnerdsl.gallery.tuning import SEEDS as SEEDS
from learnerdsl.gallery.tuning import Tuned as Tuned
from learnerdsl.gallery.tuning import tune as tune
