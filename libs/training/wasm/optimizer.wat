;; The update rules of ../src/optimizer-rules.ts, two elements at a time: float32 in memory, float64 in between, the same operations in the
;; same order, so the same bits. Pointers are in bytes; `end` is behind the last of `p`, an even number of elements after its first.
(module
  (memory (import "optimizer" "memory") 1 65536 shared)

  (func (export "adam")
    (param $p i32) (param $g i32) (param $m i32) (param $v i32) (param $end i32)
    (param $rate f64) (param $mix1 f64) (param $mix2 f64) (param $epsilon f64) (param $shrink f64) (param $scale f64) (param $decay f64)
    (local $value v128) (local $gradient v128) (local $first v128) (local $second v128)
    (if (i32.ge_u (local.get $p) (local.get $end)) (then (return)))
    (loop $next
      (local.set $value (f64x2.promote_low_f32x4 (v128.load64_zero (local.get $p))))
      (local.set $gradient (f64x2.add
        (f64x2.mul (f64x2.promote_low_f32x4 (v128.load64_zero (local.get $g))) (f64x2.splat (local.get $scale)))
        (f64x2.mul (f64x2.splat (local.get $decay)) (local.get $value))))
      (local.set $first (f64x2.promote_low_f32x4 (v128.load64_zero (local.get $m))))
      (local.set $first (f64x2.add (local.get $first)
        (f64x2.mul (f64x2.splat (local.get $mix1)) (f64x2.sub (local.get $gradient) (local.get $first)))))
      (local.set $second (f64x2.promote_low_f32x4 (v128.load64_zero (local.get $v))))
      (local.set $second (f64x2.add (local.get $second)
        (f64x2.mul (f64x2.splat (local.get $mix2))
          (f64x2.sub (f64x2.mul (local.get $gradient) (local.get $gradient)) (local.get $second)))))
      (v128.store64_lane 0 (local.get $m) (f32x4.demote_f64x2_zero (local.get $first)))
      (v128.store64_lane 0 (local.get $v) (f32x4.demote_f64x2_zero (local.get $second)))
      (v128.store64_lane 0 (local.get $p) (f32x4.demote_f64x2_zero (f64x2.sub
        (f64x2.sub (local.get $value)
          (f64x2.div
            (f64x2.mul (f64x2.splat (local.get $rate)) (local.get $first))
            (f64x2.add (f64x2.sqrt (local.get $second)) (f64x2.splat (local.get $epsilon)))))
        (f64x2.mul (f64x2.splat (local.get $shrink)) (local.get $value)))))
      (local.set $g (i32.add (local.get $g) (i32.const 8)))
      (local.set $m (i32.add (local.get $m) (i32.const 8)))
      (local.set $v (i32.add (local.get $v) (i32.const 8)))
      (br_if $next (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 8))) (local.get $end)))))

  (func (export "momentum")
    (param $p i32) (param $g i32) (param $v i32) (param $end i32)
    (param $rate f64) (param $momentum f64) (param $scale f64) (param $decay f64)
    (local $value v128) (local $velocity v128)
    (if (i32.ge_u (local.get $p) (local.get $end)) (then (return)))
    (loop $next
      (local.set $value (f64x2.promote_low_f32x4 (v128.load64_zero (local.get $p))))
      (local.set $velocity (f64x2.sub
        (f64x2.mul (f64x2.splat (local.get $momentum)) (f64x2.promote_low_f32x4 (v128.load64_zero (local.get $v))))
        (f64x2.mul (f64x2.splat (local.get $rate))
          (f64x2.add
            (f64x2.mul (f64x2.promote_low_f32x4 (v128.load64_zero (local.get $g))) (f64x2.splat (local.get $scale)))
            (f64x2.mul (f64x2.splat (local.get $decay)) (local.get $value))))))
      (v128.store64_lane 0 (local.get $v) (f32x4.demote_f64x2_zero (local.get $velocity)))
      (v128.store64_lane 0 (local.get $p) (f32x4.demote_f64x2_zero (f64x2.add (local.get $value) (local.get $velocity))))
      (local.set $g (i32.add (local.get $g) (i32.const 8)))
      (local.set $v (i32.add (local.get $v) (i32.const 8)))
      (br_if $next (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 8))) (local.get $end))))))
