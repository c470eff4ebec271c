import CBuildFacts
import CSearchKernels
import Foundation
import LMDB

/// The build of Engram that a program uses, and what it computes with on this machine: what a report of a fault should name.
///
/// <doc:Versions> says what a version promises, and which formats it opens.
public enum EngramBuild {
  /// A semantic version: the last release if ``commit`` is the release's, otherwise the one that comes next.
  public static let version = "0.1.0"

  /// The format of new stores, see <doc:FileFormat>.
  public static var format: Int { StoreRecord.currentFormat }

  /// The formats of the stores that can be opened.
  public static var readableFormats: ClosedRange<Int> { 1...StoreRecord.currentFormat }

  /// The first digits of the hash of the commit, with `+changes` behind them if files had been changed since; nil if the build was not told
  /// (`ENGRAM_COMMIT`, see <doc:Versions>).
  public static let commit: String? = {
    // SAFETY: a constant of the program, which ends with a zero.
    let commit = unsafe String(cString: engram_build_commit())
    return commit.isEmpty ? nil : commit
  }()

  /// The vector instructions of searches, chosen for this processor when the process starts: `AVX-512`, `AVX2`, `NEON`,
  /// `NEON with dot products`, or `portable` for none. The environment variable `ENGRAM_SEARCH_LEVEL` can choose fewer.
  // SAFETY: a constant of the program, which ends with a zero.
  public static let searchKernel = unsafe String(cString: search_level_name(search_best_level()))

  /// The path of the loaded BLAS library, with links resolved; nil if it is linked into the program, or the system does not say. On Debian,
  /// a path with `openblas` in it is the fast one, and one that ends with `/blas/libblas.so.3` the reference.
  public static let blasPath: String? = {
    // SAFETY: the function returns a null pointer or a text that is the caller's, which is copied and freed.
    guard let path = unsafe engram_library_path("cblas_sdot") else { return nil }
    defer { unsafe free(path) }
    return unsafe String(cString: path)
  }()

  /// The version of the loaded LMDB, such as `0.9.24`.
  public static let lmdbVersion = LMDBLibrary.version
}
