"""What a user writes: tensors with operators, index notation, text. Each front end returns Tensors."""
