"""What is done to a text before it is stored: clean Unicode, line rules, personal data out."""
