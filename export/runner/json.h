// Just enough JSON for lines of requests and replies: a value of any kind, read from text and written as text.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace edgenet::json {

class Value;
using List = std::vector<Value>;
using Members = std::vector<std::pair<std::string, Value>>;

/// One value. A reader of the wrong kind throws std::invalid_argument.
class Value {
 public:
  Value() = default;  ///< null
  Value(bool value) : kind_(Kind::kBool), number_(value) {}
  Value(double value) : kind_(Kind::kNumber), number_(value) {}
  Value(int value) : Value(static_cast<double>(value)) {}
  Value(int64_t value) : Value(static_cast<double>(value)) {}
  Value(uint64_t value) : Value(static_cast<double>(value)) {}
  Value(std::string value) : kind_(Kind::kText), text_(std::move(value)) {}
  Value(const char* value) : Value(std::string(value)) {}
  Value(List items) : kind_(Kind::kList), items_(std::move(items)) {}
  Value(Members members) : kind_(Kind::kObject), members_(std::move(members)) {}

  bool is_null() const { return kind_ == Kind::kNull; }
  bool boolean() const { return expect(Kind::kBool).number_ != 0; }
  double number() const { return expect(Kind::kNumber).number_; }
  int64_t integer() const { return static_cast<int64_t>(number()); }
  const std::string& text() const { return expect(Kind::kText).text_; }
  const List& items() const { return expect(Kind::kList).items_; }
  /// A member of an object; null where it has none of that name.
  const Value& operator[](std::string_view name) const;

  std::string write() const;

 private:
  enum class Kind { kNull, kBool, kNumber, kText, kList, kObject };
  const Value& expect(Kind kind) const;
  void write(std::string& out) const;

  Kind kind_ = Kind::kNull;
  double number_ = 0;
  std::string text_;
  List items_;
  Members members_;
};

/// Reads one value; throws std::invalid_argument where the text is none.
Value read(std::string_view text);

}  // namespace edgenet::json
