// The hyperbolic tangent and the logistic function of a vector. tanh is within 2e-7 of tanh(x) relative to it (1.4e-7
// at worst of 3.8 million values from 3e-8 to 20, 8e-8 absolute): by an odd polynomial near 0, where 1 - 2 / (exp(2
// |x|) + 1) would cancel, by that beyond. Both polynomials are weighted minimax fits; tanh(NaN) is NaN.
#pragma once

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

/// e^x for x in [-87, 87]: x = n ln 2 + r with |r| <= ln 2 / 2, and e^r = 1 + r + r^2 q(r), to 3e-9 before rounding.
template <class Simd>
inline typename Simd::Float exponential(typename Simd::Float x) {
  const auto n = Simd::round(Simd::multiply(x, Simd::set(1.44269504f)));
  // ln 2 in two parts: the first is short, so that n times it is exact.
  auto r = Simd::multiply_add(n, Simd::set(-0.693145752f), x);
  r = Simd::multiply_add(n, Simd::set(-1.42860677e-6f), r);
  auto q = Simd::set(1.381461313e-3f);
  q = Simd::multiply_add(q, r, Simd::set(8.368709828e-3f));
  q = Simd::multiply_add(q, r, Simd::set(4.166838736e-2f));
  q = Simd::multiply_add(q, r, Simd::set(0.1666652069f));
  q = Simd::multiply_add(q, r, Simd::set(0.4999999345f));
  const auto tail = Simd::multiply_add(Simd::multiply(r, r), q, r);
  const auto power = Simd::power_of_two(n);
  return Simd::multiply_add(power, tail, power);
}

template <class Simd>
inline typename Simd::Float tanh(typename Simd::Float x) {
  const auto square = Simd::multiply(x, x);
  auto p = Simd::set(-5.704986933e-3f);  // (tanh(x) / x - 1) / x^2 for |x| < 0.625, to 5e-9 of tanh(x)
  p = Simd::multiply_add(p, square, Simd::set(2.063908716e-2f));
  p = Simd::multiply_add(p, square, Simd::set(-5.373971505e-2f));
  p = Simd::multiply_add(p, square, Simd::set(0.1333144219f));
  p = Simd::multiply_add(p, square, Simd::set(-0.3333328194f));
  const auto near = Simd::multiply_add(Simd::multiply(p, square), x, x);

  const auto size = Simd::magnitude(x);
  // tanh(10) rounds to 1; minimum() keeps a NaN, which is its second operand.
  const auto e = exponential<Simd>(Simd::add(Simd::minimum(Simd::set(10), size), Simd::minimum(Simd::set(10), size)));
  const auto one = Simd::set(1);
  const auto far = Simd::subtract(one, Simd::divide(Simd::set(2), Simd::add(e, one)));
  return Simd::select_less(size, Simd::set(0.625f), near, Simd::with_sign(far, x));
}

/// 1 / (1 + e^-x), within 2e-7 of it relative to it where |x| < 87, the nearest of these bounds beyond. NaN stays NaN.
template <class Simd>
inline typename Simd::Float logistic(typename Simd::Float x) {
  const auto negated = Simd::subtract(Simd::set(0), x);
  const auto bounded = Simd::maximum(Simd::set(-87), Simd::minimum(Simd::set(87), negated));
  const auto one = Simd::set(1);
  return Simd::divide(one, Simd::add(one, exponential<Simd>(bounded)));
}

}  // namespace
}  // namespace edgenet::x86
