/// The texts of the page, as they stand in the folder Page beside: each file of PageText is made from one of them.
enum PageText {}
