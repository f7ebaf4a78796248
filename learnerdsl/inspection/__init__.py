"""Show what runs: mathematics, sweeps over memory, cost, LLVM, assembly, and notebook views."""

from learnerdsl.inspection.code import OLDEST_GPU as OLDEST_GPU
from learnerdsl.inspection.code import asm as asm
from learnerdsl.inspection.code import asm_loops as asm_loops
from learnerdsl.inspection.code import listings as listings
from learnerdsl.inspection.code import llvm as llvm
from learnerdsl.inspection.code import loops as loops
from learnerdsl.inspection.code import ptx as ptx
from learnerdsl.inspection.code import ptx_loops as ptx_loops
from learnerdsl.inspection.comparison import Comparison as Comparison
from learnerdsl.inspection.comparison import compare as compare
from learnerdsl.inspection.costs import Cost as Cost
from learnerdsl.inspection.costs import StateArray as StateArray
from learnerdsl.inspection.costs import cost as cost
from learnerdsl.inspection.hot_loops import HotLoop as HotLoop
from learnerdsl.inspection.hot_loops import HotLoops as HotLoops
from learnerdsl.inspection.hot_loops import OtherLoop as OtherLoop
from learnerdsl.inspection.instructions import Instruction as Instruction
from learnerdsl.inspection.mathematics import latex as latex
from learnerdsl.inspection.mathematics import pretty as pretty
from learnerdsl.inspection.notebook import repr_html as repr_html
from learnerdsl.inspection.plans import Pass as Pass
from learnerdsl.inspection.plans import Plan as Plan
from learnerdsl.inspection.plans import plan as plan
from learnerdsl.inspection.rooflines import Roofline as Roofline
from learnerdsl.inspection.rooflines import checked_shapes as checked_shapes
from learnerdsl.inspection.rooflines import roofline as roofline
