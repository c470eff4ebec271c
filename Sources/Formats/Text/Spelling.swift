/// The name that a misspelled word means.
public enum Spelling {
  /// The nearest name, of which at most a third of the word differs, or which begins with the word; nil if there is none.
  ///
  /// Case and leading hyphens do not count. Names of one or two characters are never meant: they are near to everything. Of names that are
  /// equally near, the first in order is returned.
  public static func nearest(to word: String, of names: [String]) -> String? {
    guard word.utf8.count <= 64 else { return nil }
    let bare = word.drop { $0 == "-" }.lowercased()
    var best: (distance: Int, name: String)?
    for name in names where name.count > 2 {
      let bareName = name.drop { $0 == "-" }.lowercased()
      let distance = distance(bare, bareName)
      guard distance <= max(1, bare.count / 3) || (bare.count >= 3 && bareName.hasPrefix(bare)) else { continue }
      if best.map({ (distance, name) < ($0.distance, $0.name) }) ?? true { best = (distance, name) }
    }
    return best?.name
  }

  /// The distance of Damerau and Levenshtein: two neighbouring letters that are exchanged count once.
  static func distance(_ left: String, _ right: String) -> Int {
    let (left, right) = (Array(left.unicodeScalars), Array(right.unicodeScalars))
    var rows = [Array(0...right.count)]
    for (i, scalar) in left.enumerated() {
      var row = [i + 1]
      for (j, other) in right.enumerated() {
        var best = min(row[j] + 1, rows[i][j + 1] + 1, rows[i][j] + (scalar == other ? 0 : 1))
        if i > 0, j > 0, scalar == right[j - 1], left[i - 1] == other { best = min(best, rows[i - 1][j - 1] + 1) }
        row.append(best)
      }
      rows.append(row)
    }
    return rows[left.count][right.count]
  }
}
