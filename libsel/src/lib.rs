//! libsel: what Selkie programs are written against.
#![no_std]
