// Errors by which the layers talk to one another. None leaves the library.

/// The snapshot would show a generation that generation number `by` has replaced.
struct Superseded: Error {
  let by: UInt64
}

/// A commit failed half-way: LMDB refuses any further transaction in this environment.
struct EnvironmentLost: Error {}

/// A copy must start again: more was committed than the log keeps, the source had to be opened again, or it is no longer the live
/// generation.
struct CopyOutdated: Error {}
