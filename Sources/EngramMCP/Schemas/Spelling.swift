/// The nearest of some names.
enum Spelling {
  /// The nearest name, of which at most a third of the word differs, or which begins with the word; nil if there is none.
  static func nearest(to word: String, of names: [String]) -> String? {
    guard word.utf8.count <= 64 else { return nil }
    let word = word.lowercased()
    var best: (distance: Int, name: String)?
    for name in names {
      let distance = distance(word, name.lowercased())
      let isBeginning = word.utf8.count >= 3 && name.lowercased().hasPrefix(word)
      guard isBeginning || (word.utf8.count >= 3 && distance <= max(1, word.count / 3)) else { continue }
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
