// Errors by which the layers talk to one another. None leaves the library.

/// The snapshot would be of a generation that another has taken the place of.
struct Superseded: Error {
  let by: UInt64
}

/// A commit failed half-way: LMDB begins no transaction in this environment any more.
struct EnvironmentLost: Error {}

/// A copy must begin anew: more was committed than the log keeps, the source had to be opened again, or it was the live generation no more.
struct CopyOutdated: Error {}
