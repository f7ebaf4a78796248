"""Cards: what an object is, as sections that are shown in HTML and in plain text."""

from learnerdsl.cards.content import Card as Card
from learnerdsl.cards.content import Code as Code
from learnerdsl.cards.content import Curve as Curve
from learnerdsl.cards.content import Fold as Fold
from learnerdsl.cards.content import Item as Item
from learnerdsl.cards.content import Mathematics as Mathematics
from learnerdsl.cards.content import Section as Section
from learnerdsl.cards.content import Table as Table
from learnerdsl.cards.content import Text as Text
from learnerdsl.cards.content import counted as counted
from learnerdsl.cards.pages import HasCard as HasCard
from learnerdsl.cards.pages import ShownCard as ShownCard
from learnerdsl.cards.pages import error_card as error_card
