print("fieldgw")
