"""Different answers, labelled by hand: one pair a line, " ~ " between the two."""

DIFFERENT = r"""
18 ~ 19
18 ~ -18
18 ~ 180
18 ~ 1.8
18 ~ 18.01
18 ~ 1800
18 ~ 0.18
18 ~ 18 thousand
18 ~ 18x
18 ~ 18\pi
18 ~ 18i
18 ~ 18_9
18 ~ 18!
18 ~ 1/8
18 ~ 18/1.01
18 ~ \sqrt{18}
18 ~ x
18 ~ eighteen apples
18 ~ 18, 19
18 ~ (18, 19)
18 ~ 17.999999
18 ~ \frac{18}{0}
18 ~ 1,8
18 ~ None
18 ~ unanswerable
0 ~ unanswerable
0 ~ None
1,200 ~ 200
1,200 ~ 1.2
1,200 ~ 1, 200
1,200 ~ 12,00
1,200 ~ 1,2000
1,200 ~ 120
1,450,000 ~ 1450
-5 ~ 5
-5 ~ 5-
-5 ~ \frac{-10}{-2}
-5 ~ 0-4
-5 ~ |-5|
1/4 ~ 4
1/4 ~ 1
1/4 ~ 14
1/4 ~ 4/1
1/4 ~ -1/4
1/4 ~ 0.2
1/4 ~ 0.249999
1/4 ~ 25%
1/4 ~ \frac{4}{1}
1/4 ~ \frac1{40}
1 3/4 ~ 13/4
1 3/4 ~ 3/4
1 3/4 ~ 1.34
0.5 ~ 50
0.5 ~ 5000%
0.5 ~ 50%
0.5 ~ 5
50 ~ 5000
1/3 ~ 0.33
1/3 ~ 0.333333
1/3 ~ 0.3333333333333333
2/3 ~ 0.66666666667
4.33 ~ 13/3
\pi ~ 3.14
\pi ~ 3.14159265
\pi ~ 22/7
\pi ~ 3
\pi ~ \pi^2
2\pi ~ \pi
\sqrt{2} ~ 1.414214
\sqrt{2} ~ 1.41421356237
\sqrt{2} ~ -\sqrt{2}
\sqrt{2} ~ 2
\sqrt{51} ~ \sqrt{15}
2\sqrt{2} ~ \sqrt{6}
\frac{\sqrt{3}}{3} ~ \frac{\sqrt{3}}{2}
\frac{\sqrt{3}}{3} ~ \sqrt{3}
11\sqrt2 ~ 11\sqrt{3}
6 - 5i ~ 6+5i
6 - 5i ~ 5-6i
6 - 5i ~ 6
i ~ 1
i ~ -i
1024 ~ 2^{11}
1024 ~ 10^{24}
1024 ~ 210
120 ~ 4!
10 ~ \binom{5}{3}+1
p - q ~ q - p
p - q ~ p + q
p - q ~ pq
p - q ~ p
2k ~ 2
2k ~ k
2k ~ 2m
2k+2 ~ 2k+1
x^3+3x-6 ~ x^3+3x+6
x^5 - x^4 + x^3 - x^2 + x - 1 ~ x^5 - x^4 + x^3 - x^2 + x + 1
x^2 ~ x2
x^2 ~ 2x
x^2 ~ x^3
x ~ y
x ~ X
\sqrt{x^2} ~ -x
(a+5)(b+2) ~ (a+2)(b+5)
6r^2-4r-24 ~ 6r^2+4r-24
5r^5 ~ 5r^4
3R^2 ~ 3R
\frac{11+9a}{20} ~ \frac{11+9b}{20}
\frac{11+9a}{20} ~ \frac{20}{11+9a}
\cot x ~ \tan x
\cot x ~ \cos x
\cot x ~ \cot y
e ~ 2.718
e ~ \pi
x=5 ~ 6
x=5 ~ x=6
x=5 ~ y=5
x=5 ~ x
y = 2x + 3 ~ y = 2x - 3
y = 2x + 3 ~ y = 3x + 2
y = -2x ~ y = 2x
5x - 7y + 11z + 4 = 0 ~ 5x - 7y + 11z - 4 = 0
x \in [-2,7] ~ [-2,7)
x \in [-2,7] ~ [-2,8]
3, 5, 7 ~ 3, 5
3, 5, 7 ~ 3, 5, 8
3, 5, 7 ~ 357
3, 5, 7 ~ 3, 5, 7, 9
3, 5, 7 ~ (3, 5, 7)
3, 5, 7 ~ 7
1,-2 ~ 1,2
1,-2 ~ -1,2
1,-2 ~ 1
1,-2 ~ (1,-2)
1 \pm \sqrt{19} ~ 1+\sqrt{19}
1 \pm \sqrt{19} ~ 2 \pm \sqrt{19}
1 \pm \sqrt{19} ~ 1 \pm \sqrt{18}
\pm 3 ~ 3
\pm 3 ~ -3
\{1\pm\sqrt{5},-2\} ~ 1\pm\sqrt{5}
(3, \frac{\pi}{2}) ~ (\frac{\pi}{2}, 3)
(3, \frac{\pi}{2}) ~ (3, \frac{\pi}{3})
(3, \frac{\pi}{2}) ~ (-3, \frac{\pi}{2})
(3, \frac{\pi}{2}) ~ 3
(3, \frac{\pi}{2}) ~ \frac{\pi}{2}
(6,31,-1) ~ (6,31,1)
(6,31,-1) ~ (6,31)
(6,31,-1) ~ (31,6,-1)
(1,200) ~ (1200)
(1,200) ~ 1200
(3,4] ~ [3,4]
(3,4] ~ (3,4)
(3,4] ~ (3,5]
(3,4] ~ (4,3]
(-\infty, 0] ~ (-\infty, 0)
(-\infty, 0] ~ (\infty, 0]
(2,\infty) ~ (2,12)
(2,\infty) ~ (3,\infty)
(2,\infty) ~ [2,\infty)
(-\sqrt{3}, \sqrt{3}) ~ (\sqrt{3}, -\sqrt{3})
(-\sqrt{3}, \sqrt{3}) ~ (-\sqrt{2}, \sqrt{2})
(0,9) \cup (9,36) ~ (0,36)
(0,9) \cup (9,36) ~ (0,9)
(0,9) \cup (9,36) ~ (0,9] \cup (9,36)
(2,12) \cup (12,102) ~ (2,12) \cup (12,103)
(-\infty, 2) \cup (3, \infty) ~ (-\infty, 3) \cup (2, \infty)
\begin{pmatrix} -2 \\ -14 \\ -7 \end{pmatrix} ~ \begin{pmatrix} -2 \\ -14 \\ 7 \end{pmatrix}
\begin{pmatrix} -2 \\ -14 \\ -7 \end{pmatrix} ~ \begin{pmatrix} -14 \\ -2 \\ -7 \end{pmatrix}
\begin{pmatrix} -2 \\ -14 \\ -7 \end{pmatrix} ~ \begin{pmatrix} -2 & -14 & -7 \end{pmatrix}
\begin{pmatrix} -1 & 0 \\ 0 & -1 \end{pmatrix} ~ \begin{pmatrix} 1 & 0 \\ 0 & 1 \end{pmatrix}
\begin{pmatrix} 1/5 \\ -18/5 \end{pmatrix} ~ 1/5
52_8 ~ 52
52_8 ~ 52_7
52_8 ~ 42
10_2 ~ 10_8
4210_{5} ~ 4210
\text{Evelyn} ~ \text{Navin}
\text{Evelyn} ~ E
\text{even} ~ \text{odd}
\text{even} ~ 2
\text{east} ~ \text{west}
\text{east} ~ \text{eats}
\text{ellipse} ~ \text{circle}
\text{(C)} ~ \text{(B)}
\text{(C)} ~ 3
\text{(C)} ~ (c, d)
unanswerable ~ 7
unanswerable ~ x
unanswerable ~ \text{even}
unanswerable ~ There is not enough milk
3:2 ~ 2:3
x < 3 ~ x > 3
x < 3 ~ x \le 3
\infty ~ -\infty
\infty ~ 8
"""
