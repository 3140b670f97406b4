//! Who someone is: sessions, login, binding
