// What Swift's Glibc module does not import. Thin wrappers only: no decisions in C.
#pragma once
