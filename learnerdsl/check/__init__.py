"""The third judge: runs the function of a rule on arrays and compares what the learners compute."""

from learnerdsl.check.checking import check as check
from learnerdsl.check.report import CheckError as CheckError
from learnerdsl.check.report import Line as Line
from learnerdsl.check.report import Mismatch as Mismatch
from learnerdsl.check.report import Report as Report
