"""What people write by hand around a learner: minimise a function, find a rate, plot."""

from learnerdsl.fit import plot as plot
from learnerdsl.fit.minimizing import minimize as minimize
from learnerdsl.fit.minimizing import minimize_method as minimize_method
from learnerdsl.fit.rates import RateSearch as RateSearch
from learnerdsl.fit.rates import lr_finder as lr_finder
