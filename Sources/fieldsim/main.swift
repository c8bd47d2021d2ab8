print("fieldsim")
