{#- The ruled columns of a table, each with its name, quoted, and the expression of its new value. `alias` is
    the name of the record in the query, or '' where a statement has none (ClickHouse's ALTER ... UPDATE). -#}
{% macro masked_columns(spec, alias) -%}
    {%- set found = [] -%}
    {%- set owner = subject_of(spec, alias) -%}
    {%- for column in spec.columns -%}
        {%- set value = (alias ~ '.' if alias else '') ~ quoted(column.name) -%}
        {%- do found.append({
            'name': column.name,
            'column': quoted(column.name),
            'value': value,
            'new_value': masked_value(column, value, owner),
        }) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}
