//! Test a game server as a World: TestServer, TestClient, virtual time, invariants
