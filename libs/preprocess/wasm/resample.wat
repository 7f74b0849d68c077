;; The two passes of a separable resampler over 8-bit images, in fixed point (see ../src/resample.ts for the arithmetic).
;;
;; A coefficient k (22 fractional bits, about 24 bits with its sign) does not fit the 16-bit lanes of i32x4.dot_i16x8_s, which
;; multiplies and adds two taps at once. So it is stored as high = k >> 15 (signed) and low = k & 0x7fff, and a sum is
;; (sum of high products << 15) + sum of low products. Both may wrap around modulo 2^32 on the way; the total fits, so it is exact.
;;
;; Two taps t, t+1 are four 16-bit integers: high[t], high[t+1], low[t], low[t+1]. An odd number of taps is padded with a zero
;; coefficient: the pixel or row behind the last tap is read, but does not count. Every output has at least one pair.
(module
  (memory (export "memory") 1)

  ;; Makes rows of RGB pixels as many columns wide as asked.
  ;; spans: per output column the byte offset of its first pixel in the row and its number of tap pairs (two i32).
  ;; coefficients: `coefficientStride` bytes per output column. Reads up to 7 bytes and writes 1 byte behind a row's end.
  (func (export "horizontal")
    (param $source i32) (param $sourceStride i32) (param $rows i32)
    (param $target i32) (param $targetStride i32) (param $columns i32)
    (param $spans i32) (param $coefficients i32) (param $coefficientStride i32)
    (local $column i32) (local $span i32) (local $columnK i32) (local $k i32)
    (local $pixel i32) (local $pairs i32) (local $out i32)
    (local $pair v128) (local $high v128) (local $low v128)
    (loop $nextRow
      (local.set $column (local.get $columns))
      (local.set $span (local.get $spans))
      (local.set $columnK (local.get $coefficients))
      (local.set $out (local.get $target))
      (loop $nextColumn
        (local.set $pixel (i32.add (local.get $source) (i32.load (local.get $span))))
        (local.set $pairs (i32.load offset=4 (local.get $span)))
        (local.set $k (local.get $columnK))
        (local.set $high (v128.const i32x4 0 0 0 0))
        ;; One half, so that the final shift rounds.
        (local.set $low (v128.const i32x4 0x200000 0x200000 0x200000 0x200000))
        (loop $nextPair
          ;; Bytes r0 g0 b0 r1 g1 b1 become 16-bit r0 r1 g0 g1 b0 b1 0 0.
          (local.set $pair (i8x16.swizzle
            (v128.load64_zero (local.get $pixel))
            (v128.const i8x16 0 -1 3 -1 1 -1 4 -1 2 -1 5 -1 -1 -1 -1 -1)))
          (local.set $high (i32x4.add (local.get $high)
            (i32x4.dot_i16x8_s (local.get $pair) (v128.load32_splat (local.get $k)))))
          (local.set $low (i32x4.add (local.get $low)
            (i32x4.dot_i16x8_s (local.get $pair) (v128.load32_splat offset=4 (local.get $k)))))
          (local.set $pixel (i32.add (local.get $pixel) (i32.const 6)))
          (local.set $k (i32.add (local.get $k) (i32.const 8)))
          (br_if $nextPair (local.tee $pairs (i32.sub (local.get $pairs) (i32.const 1)))))
        (local.set $high (call $settle (local.get $high) (local.get $low)))
        (local.set $high (i16x8.narrow_i32x4_s (local.get $high) (local.get $high)))
        (v128.store32_lane 0 (local.get $out) (i8x16.narrow_i16x8_u (local.get $high) (local.get $high)))
        (local.set $out (i32.add (local.get $out) (i32.const 3)))
        (local.set $span (i32.add (local.get $span) (i32.const 8)))
        (local.set $columnK (i32.add (local.get $columnK) (local.get $coefficientStride)))
        (br_if $nextColumn (local.tee $column (i32.sub (local.get $column) (i32.const 1)))))
      (local.set $source (i32.add (local.get $source) (local.get $sourceStride)))
      (local.set $target (i32.add (local.get $target) (local.get $targetStride)))
      (br_if $nextRow (local.tee $rows (i32.sub (local.get $rows) (i32.const 1))))))

  ;; Makes one row out of `pairs` pairs of rows. `stride` is a multiple of 16, of source and target alike; all of it is written.
  (func (export "vertical")
    (param $source i32) (param $stride i32) (param $target i32) (param $coefficients i32) (param $pairs i32)
    (local $column i32) (local $row i32) (local $k i32) (local $pair i32)
    (local $kHigh v128) (local $kLow v128) (local $upper v128) (local $lower v128) (local $mixed v128) (local $taps v128)
    (local $high0 v128) (local $high1 v128) (local $high2 v128) (local $high3 v128)
    (local $low0 v128) (local $low1 v128) (local $low2 v128) (local $low3 v128)
    (loop $nextColumns
      (local.set $row (i32.add (local.get $source) (local.get $column)))
      (local.set $k (local.get $coefficients))
      (local.set $pair (local.get $pairs))
      (local.set $high0 (v128.const i32x4 0 0 0 0))
      (local.set $high1 (local.get $high0))
      (local.set $high2 (local.get $high0))
      (local.set $high3 (local.get $high0))
      (local.set $low0 (v128.const i32x4 0x200000 0x200000 0x200000 0x200000))
      (local.set $low1 (local.get $low0))
      (local.set $low2 (local.get $low0))
      (local.set $low3 (local.get $low0))
      (loop $nextPair
        (local.set $kHigh (v128.load32_splat (local.get $k)))
        (local.set $kLow (v128.load32_splat offset=4 (local.get $k)))
        (local.set $upper (v128.load (local.get $row)))
        (local.set $lower (v128.load (i32.add (local.get $row) (local.get $stride))))
        (local.set $mixed (i8x16.shuffle 0 16 1 17 2 18 3 19 4 20 5 21 6 22 7 23 (local.get $upper) (local.get $lower)))
        (local.set $taps (i16x8.extend_low_i8x16_u (local.get $mixed)))
        (local.set $high0 (i32x4.add (local.get $high0) (i32x4.dot_i16x8_s (local.get $taps) (local.get $kHigh))))
        (local.set $low0 (i32x4.add (local.get $low0) (i32x4.dot_i16x8_s (local.get $taps) (local.get $kLow))))
        (local.set $taps (i16x8.extend_high_i8x16_u (local.get $mixed)))
        (local.set $high1 (i32x4.add (local.get $high1) (i32x4.dot_i16x8_s (local.get $taps) (local.get $kHigh))))
        (local.set $low1 (i32x4.add (local.get $low1) (i32x4.dot_i16x8_s (local.get $taps) (local.get $kLow))))
        (local.set $mixed (i8x16.shuffle 8 24 9 25 10 26 11 27 12 28 13 29 14 30 15 31 (local.get $upper) (local.get $lower)))
        (local.set $taps (i16x8.extend_low_i8x16_u (local.get $mixed)))
        (local.set $high2 (i32x4.add (local.get $high2) (i32x4.dot_i16x8_s (local.get $taps) (local.get $kHigh))))
        (local.set $low2 (i32x4.add (local.get $low2) (i32x4.dot_i16x8_s (local.get $taps) (local.get $kLow))))
        (local.set $taps (i16x8.extend_high_i8x16_u (local.get $mixed)))
        (local.set $high3 (i32x4.add (local.get $high3) (i32x4.dot_i16x8_s (local.get $taps) (local.get $kHigh))))
        (local.set $low3 (i32x4.add (local.get $low3) (i32x4.dot_i16x8_s (local.get $taps) (local.get $kLow))))
        (local.set $row (i32.add (local.get $row) (i32.shl (local.get $stride) (i32.const 1))))
        (local.set $k (i32.add (local.get $k) (i32.const 8)))
        (br_if $nextPair (local.tee $pair (i32.sub (local.get $pair) (i32.const 1)))))
      (v128.store (i32.add (local.get $target) (local.get $column))
        (i8x16.narrow_i16x8_u
          (i16x8.narrow_i32x4_s (call $settle (local.get $high0) (local.get $low0)) (call $settle (local.get $high1) (local.get $low1)))
          (i16x8.narrow_i32x4_s (call $settle (local.get $high2) (local.get $low2)) (call $settle (local.get $high3) (local.get $low3)))))
      (br_if $nextColumns
        (i32.lt_u (local.tee $column (i32.add (local.get $column) (i32.const 16))) (local.get $stride)))))

  ;; The whole part of a fixed-point sum. Narrowing then clips it to 0..255.
  (func $settle (param $high v128) (param $low v128) (result v128)
    (i32x4.shr_s (i32x4.add (i32x4.shl (local.get $high) (i32.const 15)) (local.get $low)) (i32.const 22))))
