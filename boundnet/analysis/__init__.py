"""From a network, its inputs and an arithmetic to a result: point analyses, boxes, and how their work is executed."""
