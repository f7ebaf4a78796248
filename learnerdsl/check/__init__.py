"""Run the function of a rule on arrays and compare learners with it: the third judge."""

from learnerdsl.check.checking import check as check
from learnerdsl.check.report import CheckError as CheckError
from learnerdsl.check.report import Line as Line
from learnerdsl.check.report import Mismatch as Mismatch
from learnerdsl.check.report import Report as Report
