import CLMDB

/// The LMDB library that the dynamic linker chose.
package enum LMDBLibrary {
  /// Such as `0.9.24`.
  package static let version: String = {
    var (major, minor, patch): (CInt, CInt, CInt) = (0, 0, 0)
    // SAFETY: the function writes the three numbers and returns a constant text.
    _ = unsafe mdb_version(&major, &minor, &patch)
    return "\(major).\(minor).\(patch)"
  }()
}
