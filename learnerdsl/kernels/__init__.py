"""What generated files import, and how they become machine code. Nothing here imports the rest."""
