import Foundation

/// A picture of a table: a group of bars for each category, a bar for each mode, as high as its recall@10.
struct EvalPlot {
  let table: EvalTable

  private static let colors = ["#9aa5b1", "#e0a030", "#2f7d6b", "#7a5195"]
  private static let (barWidth, height, left, top) = (22, 240, 48, 40)

  /// An SVG document.
  var svg: String {
    let categories = table.modes.first.map { table.categories(of: $0) } ?? []
    let group = table.modes.count * Self.barWidth + 24
    let width = Self.left + categories.count * group + 16
    var lines = [
      """
      <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(Self.top + Self.height + 64)" font-family="sans-serif" font-size="12">
      <rect width="100%" height="100%" fill="white"/>
      <text x="\(Self.left)" y="20" font-size="14">recall@10 by category</text>
      """
    ]
    for tenth in stride(from: 0, through: 10, by: 2) {
      let y = Self.top + Self.height - Self.height * tenth / 10
      lines.append(
        "<line x1=\"\(Self.left)\" x2=\"\(width - 16)\" y1=\"\(y)\" y2=\"\(y)\" stroke=\"#ddd\"/>"
          + "<text x=\"\(Self.left - 8)\" y=\"\(y + 4)\" text-anchor=\"end\">\(tenth == 10 ? "1.0" : "0.\(tenth)")</text>")
    }
    for (place, category) in categories.enumerated() {
      let x = Self.left + place * group + 12
      for (index, mode) in table.modes.enumerated() {
        let recall = table[mode, category].means[1]
        let bar = Int((recall * Double(Self.height)).rounded())
        lines.append(
          "<rect x=\"\(x + index * Self.barWidth)\" y=\"\(Self.top + Self.height - bar)\" width=\"\(Self.barWidth - 3)\" height=\"\(bar)\""
            + " fill=\"\(Self.colors[index % Self.colors.count])\"><title>\(mode), \(Self.escaped(category)): "
            + "\(String(format: "%.3f", recall))</title></rect>")
      }
      lines.append(
        "<text x=\"\(x + (group - 24) / 2)\" y=\"\(Self.top + Self.height + 18)\" text-anchor=\"middle\">\(Self.escaped(category))</text>")
    }
    for (index, mode) in table.modes.enumerated() {
      let (x, y) = (Self.left + index * 110, Self.top + Self.height + 40)
      lines.append(
        "<rect x=\"\(x)\" y=\"\(y - 10)\" width=\"12\" height=\"12\" fill=\"\(Self.colors[index % Self.colors.count])\"/>"
          + "<text x=\"\(x + 18)\" y=\"\(y)\">\(mode)</text>")
    }
    return (lines + ["</svg>"]).joined(separator: "\n") + "\n"
  }

  private static func escaped(_ text: String) -> String {
    text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;").replacingOccurrences(
      of: ">", with: "&gt;")
  }
}
