#include "json.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace edgenet::json {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Value all() {
    Value value = one();
    if (peek() != '\0') fail();
    return value;
  }

 private:
  [[noreturn]] void fail() const {
    throw std::invalid_argument("no JSON at character " + std::to_string(at_) + " of a request");
  }

  char peek() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r' || text_[at_] == '\n')) {
      ++at_;
    }
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  bool take(char wanted) {
    if (peek() != wanted) return false;
    ++at_;
    return true;
  }

  void need(char wanted) {
    if (!take(wanted)) fail();
  }

  bool take(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  Value one() {
    const char first = peek();
    if (first == '"') return text();
    if (take('[')) return list();
    if (take('{')) return object();
    if (take(std::string_view("null"))) return {};
    if (take(std::string_view("true"))) return true;
    if (take(std::string_view("false"))) return false;
    return number();
  }

  Value list() {
    List items;
    if (take(']')) return items;
    do items.push_back(one());
    while (take(','));
    need(']');
    return items;
  }

  Value object() {
    Members members;
    if (take('}')) return members;
    do {
      peek();
      std::string name = text();
      need(':');
      members.emplace_back(std::move(name), one());
    } while (take(','));
    need('}');
    return members;
  }

  Value number() {
    // strtod needs an end that the text may not have.
    const std::string digits(text_.substr(at_, text_.find_first_not_of("+-.0123456789eE", at_) - at_));
    char* end = nullptr;
    const double value = std::strtod(digits.c_str(), &end);
    if (digits.empty() || *end != '\0') fail();
    at_ += digits.size();
    return value;
  }

  std::string text() {
    if (at_ >= text_.size() || text_[at_++] != '"') fail();
    std::string out;
    while (at_ < text_.size() && text_[at_] != '"') {
      char c = text_[at_++];
      if (c == '\\') c = escaped(out);
      if (c != '\0') out += c;
    }
    if (at_++ >= text_.size()) fail();
    return out;
  }

  /// The character after a backslash, or 0 where it has been appended as UTF-8.
  char escaped(std::string& out) {
    const char c = at_ < text_.size() ? text_[at_++] : '\0';
    switch (c) {
      case 'b':
        return '\b';
      case 'f':
        return '\f';
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 't':
        return '\t';
      case '"':
      case '\\':
      case '/':
        return c;
      case 'u':
        append_utf8(out, code_point());
        return '\0';
      default:
        fail();
    }
  }

  uint32_t code_point() {
    uint32_t code = four_digits();
    if (code >= 0xD800 && code < 0xDC00) {
      if (!take(std::string_view("\\u"))) fail();
      code = 0x10000 + ((code - 0xD800) << 10) + (four_digits() - 0xDC00);
    }
    return code;
  }

  uint32_t four_digits() {
    const std::string digits(text_.substr(at_ < text_.size() ? at_ : text_.size(), 4));
    char* end = nullptr;
    const unsigned long code = std::strtoul(digits.c_str(), &end, 16);
    if (digits.size() != 4 || *end != '\0') fail();
    at_ += 4;
    return static_cast<uint32_t>(code);
  }

  static void append_utf8(std::string& out, uint32_t code) {
    const int more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const uint32_t marks[] = {0, 0xC0, 0xE0, 0xF0};
    out += static_cast<char>(marks[more] | (code >> (6 * more)));
    for (int i = more - 1; i >= 0; --i) out += static_cast<char>(0x80 | ((code >> (6 * i)) & 0x3F));
  }

  std::string_view text_;
  size_t at_ = 0;
};

void write_text(std::string& out, const std::string& text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
      out += code;
    } else {
      out += c;
    }
  }
  out += '"';
}

}  // namespace

const Value& Value::expect(Kind kind) const {
  if (kind_ != kind) throw std::invalid_argument("a request has a value of another kind than it should, or lacks one");
  return *this;
}

const Value& Value::operator[](std::string_view name) const {
  static const Value null;
  for (const auto& [key, value] : expect(Kind::kObject).members_) {
    if (key == name) return value;
  }
  return null;
}

std::string Value::write() const {
  std::string out;
  write(out);
  return out;
}

void Value::write(std::string& out) const {
  char digits[32];
  const char* separator = "";
  switch (kind_) {
    case Kind::kNull:
      out += "null";
      break;
    case Kind::kBool:
      out += number_ != 0 ? "true" : "false";
      break;
    case Kind::kNumber:
      // Whole numbers are counts, exact to 2^53; the others are measured.
      std::snprintf(digits, sizeof digits, number_ == std::floor(number_) ? "%.0f" : "%.9g", number_);
      out += std::isfinite(number_) ? digits : "null";
      break;
    case Kind::kText:
      write_text(out, text_);
      break;
    case Kind::kList:
      out += '[';
      for (const Value& item : items_) {
        out += separator;
        item.write(out);
        separator = ", ";
      }
      out += ']';
      break;
    case Kind::kObject:
      out += '{';
      for (const auto& [name, value] : members_) {
        out += separator;
        write_text(out, name);
        out += ": ";
        value.write(out);
        separator = ", ";
      }
      out += '}';
  }
}

Value read(std::string_view text) { return Reader(text).all(); }

}  // namespace edgenet::json
