{#- What a mask model calls the new value of a column: new_<name>, or new_<place> where PostgreSQL would cut the
    name. -#}
{% macro new_name(name, place) -%}
    {{ return(quoted('new_' ~ (name if name.encode('utf-8') | length < 60 else place))) }}
{%- endmacro %}
