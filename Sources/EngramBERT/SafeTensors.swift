import Checksums
import Files
import Formats
import Foundation

/// A file of named tensors in the safetensors format, mapped read-only: its pages are shared by all processes that use it.
///
/// The file is a little-endian 64-bit length, a JSON object of that length, and the data. Everything that the object says is checked
/// against the size of the file before any data are read. The file must not be cut short while it is in use.
final class SafeTensors: Sendable {
  let path: String
  private let map: MemoryMap
  private let sizeBytes: Int
  /// Where the data begin in the file.
  private let dataOffset: Int
  private let tensors: [Exact<String>: Tensor]

  struct Tensor: Sendable, Equatable {
    let type: String
    let shape: [Int]
    /// In bytes of the data.
    let range: Range<Int>
  }

  /// Bytes of an element, by the names that the format gives to types.
  private static func elementBytes(_ type: String) -> Int? {
    switch type {
    case "BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3": 1
    case "I16", "U16", "F16", "BF16": 2
    case "I32", "U32", "F32": 4
    case "I64", "U64", "F64": 8
    default: nil
    }
  }

  /// Longer headers are refused, as the reference implementation does.
  private static let longestHeader = 100_000_000

  /// - Throws: ``FileError``, ``JSONError``, ``ModelFault``.
  init(path: String) throws {
    let file = try FileHandle(path: path, access: .read)
    let size = try file.status().sizeBytes
    guard size >= 8 else { throw ModelFault("is cut short: \(size) bytes, and the length of the header alone has 8") }
    let length = try file.read(count: 8, at: 0).enumerated().reduce(UInt64(0)) { $0 | UInt64($1.element) << UInt64(8 * $1.offset) }
    guard length <= Self.longestHeader else { throw ModelFault("is no safetensors file: its header would have \(length) bytes") }
    let dataOffset = 8 + Int(length)
    guard dataOffset <= size else { throw ModelFault("is cut short: the header ends at byte \(dataOffset), the file at \(size)") }
    let header = try file.read(count: Int(length), at: 8)
    guard header.count == Int(length) else { throw ModelFault("was changed while it was read") }
    tensors = try Self.tensors(header, dataBytes: size - dataOffset)
    map = try MemoryMap(file, preferredBytes: size, minimumBytes: size)
    self.path = path
    sizeBytes = size
    self.dataOffset = dataOffset
  }

  private static func tensors(_ header: [UInt8], dataBytes: Int) throws -> [Exact<String>: Tensor] {
    var tensors: [Exact<String>: Tensor] = [:]
    var end = 0
    // The header is padded with spaces, which the reader skips.
    guard case .object(let members) = try JSONReader.read(header, { try $0.readValue() }) else {
      throw ModelFault("its header is no object")
    }
    for member in members where !member.key.hasSameBytes(as: "__metadata__") {
      let name = member.key
      guard case .string(let type)? = member.value["dtype"] else { throw ModelFault("the tensor '\(name)' has no dtype") }
      guard let elementBytes = elementBytes(type) else { throw ModelFault("the tensor '\(name)' has the unknown dtype '\(type)'") }
      let shape = try integers(member.value["shape"], "the shape of the tensor '\(name)'")
      let offsets = try integers(member.value["data_offsets"], "the data_offsets of the tensor '\(name)'")
      guard offsets.count == 2, offsets[0] <= offsets[1] else { throw ModelFault("the data_offsets of the tensor '\(name)' are no range") }
      guard offsets[1] <= dataBytes else {
        throw ModelFault("is cut short: the tensor '\(name)' ends at byte \(offsets[1]) of the data, the file at \(dataBytes)")
      }
      var bytes = elementBytes
      for count in shape {
        let (product, overflow) = bytes.multipliedReportingOverflow(by: count)
        guard !overflow else { throw ModelFault("the tensor '\(name)' is larger than any file") }
        bytes = product
      }
      guard offsets[1] - offsets[0] == bytes else {
        throw ModelFault("the tensor '\(name)' has \(offsets[1] - offsets[0]) bytes, \(type) of the shape \(shape) has \(bytes)")
      }
      end = max(end, offsets[1])
      tensors[Exact(name)] = Tensor(type: type, shape: shape, range: offsets[0]..<offsets[1])
    }
    guard end == dataBytes else { throw ModelFault("has \(dataBytes - end) bytes behind the last tensor") }
    return tensors
  }

  /// Whole numbers that are not negative.
  private static func integers(_ value: JSONValue?, _ what: String) throws -> [Int] {
    guard case .array(let elements)? = value else { throw ModelFault("\(what) is no array") }
    return try elements.map {
      guard case .number(.integer(let number)) = $0, number >= 0 else {
        throw ModelFault("\(what) holds something else than whole numbers")
      }
      return Int(number)
    }
  }

  func contains(_ name: String) -> Bool { tensors[Exact(name)] != nil }

  /// XXH3-128 of the whole file in hexadecimal digits.
  ///
  /// - Complexity: O(bytes); about 10 ms for 90 MB in the page cache.
  var fingerprint: String {
    // SAFETY: the map lives as long as `self`, and the file had this size when it was mapped.
    unsafe XXH3.hexadecimal128(UnsafeRawBufferPointer(start: map.pointer(at: 0, count: sizeBytes), count: sizeBytes))
  }

  /// The tensor as 32-bit floats, row-major: the mapped ones, or if they are stored as F16 or BF16, or not aligned, a copy.
  ///
  /// - Throws: ``ModelFault``: it is missing, or has another shape or no floats.
  func floats(_ name: String, shape: [Int]) throws(ModelFault) -> FloatTensor {
    guard let tensor = tensors[Exact(name)] else { throw ModelFault("has no tensor '\(name)'") }
    guard tensor.shape == shape else { throw ModelFault("the tensor '\(name)' has the shape \(tensor.shape), the model needs \(shape)") }
    let count = shape.reduce(1, *)
    // SAFETY: the range was checked against the size of the file, and `FloatTensor` keeps the map.
    let bytes = unsafe map.pointer(at: dataOffset + tensor.range.lowerBound, count: tensor.range.count)
    switch tensor.type {
    case "F32":
      if UInt(bitPattern: bytes) % 4 == 0 {
        return unsafe FloatTensor(bytes.assumingMemoryBound(to: Float.self), count: count, of: self)
      }
      return FloatTensor(count: count) { unsafe bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
    case "BF16":
      return FloatTensor(count: count) {
        Float(bitPattern: UInt32(unsafe bytes.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self)) << 16)
      }
    case "F16":
      return FloatTensor(count: count) { HalfFloat.float(unsafe bytes.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self)) }
    default:
      throw ModelFault("the tensor '\(name)' is stored as \(tensor.type); F32, F16 and BF16 can be read")
    }
  }
}

/// Floats that do not change, in a mapped file or in memory of their own.
@safe
final class FloatTensor: Sendable {
  // SAFETY: no code writes to them after `init`; they live as long as the file, or until `deinit`.
  nonisolated(unsafe) let base: UnsafePointer<Float>
  let count: Int
  private let file: SafeTensors?

  /// - Parameter base: `count` floats in the map of `file`.
  init(_ base: UnsafePointer<Float>, count: Int, of file: SafeTensors) {
    unsafe self.base = base
    self.count = count
    self.file = file
  }

  init(count: Int, _ value: (Int) -> Float) {
    let copy = UnsafeMutablePointer<Float>.allocate(capacity: max(count, 1))
    for index in 0..<count { unsafe (copy + index).initialize(to: value(index)) }
    unsafe base = UnsafePointer(copy)
    self.count = count
    file = nil
  }

  deinit {
    // SAFETY: without a file, `init` allocated them.
    if file == nil { unsafe base.deallocate() }
  }
}

/// IEEE 754 half precision.
enum HalfFloat {
  static func float(_ bits: UInt16) -> Float {
    let sign: Float = bits & 0x8000 == 0 ? 1 : -1
    let fraction = UInt32(bits & 0x3FF)
    switch (bits >> 10) & 0x1F {
    case 0: return sign * Float(fraction) * 0x1p-24
    case 0x1F: return fraction == 0 ? sign * .infinity : .nan
    case let exponent: return sign * Float(bitPattern: (UInt32(exponent) + 112) << 23 | fraction << 13)
    }
  }
}
