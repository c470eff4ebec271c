import Engram

/// What `memtool --version` prints: a line for the version, and one for each thing that a report of a fault should name.
enum VersionText {
  static var text: String {
    let formats = EngramBuild.readableFormats
    let reads = formats.count == 1 ? "\(formats.upperBound)" : "\(formats.lowerBound) to \(formats.upperBound)"
    return """
      memtool \(EngramBuild.version)
      format  \(EngramBuild.format), opens \(reads)
      commit  \(EngramBuild.commit ?? "unknown")
      kernel  \(EngramBuild.searchKernel)
      BLAS    \(EngramBuild.blasPath ?? "linked into memtool")
      LMDB    \(EngramBuild.lmdbVersion)
      """
  }
}
