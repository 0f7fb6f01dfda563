"""From photos and masks, as people have them, to the folder and the config that training reads: `jumbo prepare`."""
