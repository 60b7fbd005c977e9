//! What a reader of e-mails notices, and what it lets pass.
